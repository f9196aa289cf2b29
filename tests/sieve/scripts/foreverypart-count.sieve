require ["foreverypart","variables","fileinto","mime"];
foreverypart { if header :mime :type "content-type" "application" { fileinto "pdf";
break;
} }
