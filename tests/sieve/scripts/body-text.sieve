require ["body"];
if body :text :contains "secret word" { discard;
}
