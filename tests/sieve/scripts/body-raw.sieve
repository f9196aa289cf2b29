require ["body"];
if body :raw :contains "=C3=BC" { discard;
}
