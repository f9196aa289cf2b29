require ["body"];
if body :content "multipart" :contains "epilogue" { discard;
}
