require ["mime","fileinto"];
if header :mime :anychild :contenttype "content-type" "text/html" { fileinto "html";
}
