require ["editheader","fileinto"];
addheader "X-New" "v";
if header :is "x-new" "v" { fileinto "new";
}
