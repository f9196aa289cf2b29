require ["date","index","fileinto","variables"];
if date :index 1 :originalzone :matches "received" "time" "*" { fileinto "${1}";
}
