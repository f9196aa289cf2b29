require ["variables","fileinto"];
if header :matches "subject" "[*] *" { fileinto "l-${1}";
}
