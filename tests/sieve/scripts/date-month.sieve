require ["date","variables","fileinto"];
if date :matches :originalzone "date" "month" "*" { fileinto "${1}";
}
