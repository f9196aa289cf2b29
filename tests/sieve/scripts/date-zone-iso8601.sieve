require ["date","variables","fileinto"];
if date :matches :zone "-0330" "date" "iso8601" "*" { fileinto "${1}";
}
