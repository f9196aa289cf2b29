require ["date","variables","fileinto"];
if date :matches :originalzone "date" "std11" "*" { fileinto "${1}";
}
