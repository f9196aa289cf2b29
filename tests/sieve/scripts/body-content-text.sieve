require ["body"];
if body :content "text" :contains "hidden html" { discard;
}
