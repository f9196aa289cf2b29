require ["date","variables","fileinto"];
if date :matches :originalzone "date" "minute" "*" { fileinto "${1}";
}
