require ["body"];
if body :raw :contains "preamble" { discard;
}
