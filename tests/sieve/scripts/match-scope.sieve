require ["variables","fileinto"];
if string :matches "abc" "a*" { set "x" "${1}";
} if string :matches "zzz" "a*" { discard;
} fileinto "${1}${x}";
