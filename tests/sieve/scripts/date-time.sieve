require ["date","variables","fileinto"];
if date :matches :originalzone "date" "time" "*" { fileinto "${1}";
}
