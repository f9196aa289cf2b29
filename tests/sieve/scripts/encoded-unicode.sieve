require ["encoded-character","fileinto"];
fileinto "${unicode:47 72 fc}";
