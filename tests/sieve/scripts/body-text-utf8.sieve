require ["body"];
if body :text :contains "Grüße" { discard;
}
