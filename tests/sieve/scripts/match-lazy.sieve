require ["variables","fileinto"];
if string :matches "a.b.c" "*.*" { fileinto "${1}|${2}";
}
