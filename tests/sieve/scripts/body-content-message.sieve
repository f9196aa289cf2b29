require ["body"];
if body :content "message" :contains "inner subject" { discard;
}
