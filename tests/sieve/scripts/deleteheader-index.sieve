require ["editheader","fileinto","variables","index"];
deleteheader :index 2 "x-a";
if header :index 2 :matches "x-a" "*" { fileinto "${1}";
}
