require ["date","variables","fileinto"];
if date :matches :zone "-0330" "date" "second" "*" { fileinto "${1}";
}
