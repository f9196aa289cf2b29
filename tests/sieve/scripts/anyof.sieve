if anyof(false, header :contains "subject" "world") { discard;
}
