if address :all :is ["from","to","cc","reply-to"] ["bob","bob+news","x.org","*.com","lists","eve+tag@x.org"] { discard;
}
