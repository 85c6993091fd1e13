# Managed by prov (role mail_external): changes made here are overwritten.
require ["fileinto", "mailbox"];

if anyof (header :is "X-Spam-Flag" "YES", header :matches "X-Spam-Status" "Yes,*") {
    fileinto :create "Junk";
    stop;
}
