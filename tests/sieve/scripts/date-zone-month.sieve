require ["date","variables","fileinto"];
if date :matches :zone "-0330" "date" "month" "*" { fileinto "${1}";
}
