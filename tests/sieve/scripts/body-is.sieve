require ["body"];
if body :raw :is "ABC
" { discard;
}
