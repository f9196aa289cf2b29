require ["envelope"];
if envelope :matches "to" "*@EXAMPLE.org" { discard;
}
