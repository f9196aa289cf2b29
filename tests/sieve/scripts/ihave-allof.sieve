require ["ihave"];
if allof(ihave "vnd.nobody.nothing", frob "x") { discard;
}
