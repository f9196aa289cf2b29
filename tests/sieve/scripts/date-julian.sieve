require ["date","variables","fileinto"];
if date :matches :originalzone "date" "julian" "*" { fileinto "${1}";
}
