require ["variables","fileinto"];
set "a" "x";
set "B" "${a}y";
fileinto "${b}${A}${nope}";
