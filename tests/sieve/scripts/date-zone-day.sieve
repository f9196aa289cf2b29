require ["date","variables","fileinto"];
if date :matches :zone "-0330" "date" "day" "*" { fileinto "${1}";
}
