require ["variables","fileinto"];
set :upper "a" "wüst";
set :lower :upperfirst "b" "HELLO";
set :length "c" "grüße";
set :quotewildcard "d" "a*b?";
set :lowerfirst "e" "ABC";
fileinto "${a}-${b}-${c}-${d}-${e}";
