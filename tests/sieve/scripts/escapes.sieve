if header :is "reply-to" "\"Eve \\\"E\\\"\" <eve+tag@x.org>" { discard;
}
