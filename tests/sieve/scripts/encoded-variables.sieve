require ["encoded-character","variables","fileinto"];
set "a" "x";
fileinto "${hex:24}{a}";
