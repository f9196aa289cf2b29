require ["variables","fileinto"];
set "a" "v";
fileinto "$ {a} ${} ${a ${a} $${a} ${1a} \${a}";
