require ["date","variables","fileinto"];
if date :matches :originalzone "date" "second" "*" { fileinto "${1}";
}
