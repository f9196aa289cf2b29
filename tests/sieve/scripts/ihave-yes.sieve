require ["ihave"];
if ihave "fileinto" { fileinto "yes";
} else { discard;
}
