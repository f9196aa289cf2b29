require ["body"];
if body :content "" :contains "inner body" { discard;
}
