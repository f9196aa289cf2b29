require ["date","variables","fileinto"];
if date :matches :originalzone "date" "weekday" "*" { fileinto "${1}";
}
