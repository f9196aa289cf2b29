require ["date","variables","fileinto"];
if date :matches :originalzone "date" "zone" "*" { fileinto "${1}";
}
