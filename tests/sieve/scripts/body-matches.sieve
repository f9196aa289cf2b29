require ["body"];
if body :text :matches "*first line*" { discard;
}
