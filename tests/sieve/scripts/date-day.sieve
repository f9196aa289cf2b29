require ["date","variables","fileinto"];
if date :matches :originalzone "date" "day" "*" { fileinto "${1}";
}
