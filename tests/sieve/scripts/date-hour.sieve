require ["date","variables","fileinto"];
if date :matches :originalzone "date" "hour" "*" { fileinto "${1}";
}
