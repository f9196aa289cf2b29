require ["date","variables","fileinto"];
if date :matches :zone "-0330" "date" "date" "*" { fileinto "${1}";
}
