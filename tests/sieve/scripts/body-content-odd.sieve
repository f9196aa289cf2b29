require ["body"];
if body :content ["a/b/c","/","text/"] :contains "" { discard;
}
