require ["date","variables","fileinto"];
if date :matches :originalzone "date" "date" "*" { fileinto "${1}";
}
