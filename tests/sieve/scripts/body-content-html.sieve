require ["body"];
if body :content "text/html" :contains "hidden" { discard;
}
