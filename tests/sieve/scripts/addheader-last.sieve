require ["editheader","fileinto","index"];
addheader :last "X-A" "v";
if header :index 1 :last "x-a" "v" { fileinto "new";
}
