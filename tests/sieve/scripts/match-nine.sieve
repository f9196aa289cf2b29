require ["variables","fileinto"];
if string :matches "abcdefghijkl" "????????????" { fileinto "${1}${10}${12}${13}.";
}
