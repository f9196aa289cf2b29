require ["date","variables","fileinto"];
if date :matches :originalzone "date" "year" "*" { fileinto "${1}";
}
