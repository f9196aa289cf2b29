if address :localpart :matches ["from","to","cc","reply-to"] ["bob","bob+news","x.org","*.com","lists","eve+tag@x.org"] { discard;
}
