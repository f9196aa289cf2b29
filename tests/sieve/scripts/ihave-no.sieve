require ["ihave"];
if ihave "vnd.nobody.nothing" { frobnicate :x "y";
} else { discard;
}
