require ["ihave"];
discard;
error "stop here";
